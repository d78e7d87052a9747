#!/bin/sh
# Runs once, when PostgreSQL makes its data folder: a role and a database for each service, with nothing shared.
# A role can connect to its own database only, so neither service can read the other's rows even if it is taken over.
set -eu
: "${CHAT_DATABASE_PASSWORD:?is not set}" "${TODO_DATABASE_PASSWORD:?is not set}"

# psql reads the passwords from the environment, so that they never stand in a command line.
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
\getenv chat_password CHAT_DATABASE_PASSWORD
\getenv todo_password TODO_DATABASE_PASSWORD

CREATE ROLE chat_api LOGIN PASSWORD :'chat_password';
CREATE ROLE mcp_todo_server LOGIN PASSWORD :'todo_password';
CREATE DATABASE chat OWNER chat_api;
CREATE DATABASE todo OWNER mcp_todo_server;

REVOKE ALL ON DATABASE chat, todo, postgres, template1 FROM PUBLIC;
SQL
