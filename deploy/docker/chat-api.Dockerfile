# The chat service. Build context: the repository's root.
#
#   docker build -f deploy/docker/chat-api.Dockerfile -t todo-chat/chat-api .
#
# Every engine from 20.10 on builds it, BuildKit or not, with no image pulled beside the base. That is why no layer
# uses a cache mount: the classic builder refuses the option, and the layer with the dependencies is rebuilt only
# when their lock changes.
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
ARG UV_VERSION=0.13.9
# Unset unless given: where packages come from, for networks with a mirror of their own.
ARG PIP_INDEX_URL
ARG UV_DEFAULT_INDEX
ENV UV_LINK_MODE=copy UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never
RUN python -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir --disable-pip-version-check "uv==${UV_VERSION}"
RUN /opt/uv/bin/uv venv --python "$(command -v python3)" /opt/venv
WORKDIR /src
COPY chat-api/requirements.lock requirements.lock
# Bytecode is compiled here because a read-only root file system never lets the service write any.
RUN /opt/uv/bin/uv pip sync --python /opt/venv/bin/python --require-hashes --compile-bytecode requirements.lock
COPY LICENSE LICENSE
COPY shared shared
COPY chat-api chat-api
RUN /opt/uv/bin/uv pip install --python /opt/venv/bin/python --no-deps --no-sources --compile-bytecode ./shared ./chat-api

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="chat-api" \
      org.opencontainers.image.description="Conversations, messages and runs, and the agent that manages a user's tasks over MCP" \
      org.opencontainers.image.licenses="MIT"
# A number, so that an orchestrator can check that the user is not root. /data holds SQLite where no DATABASE_URL is
# given; nothing else is ever written.
RUN mkdir /data && chown 10001:10001 /data
COPY --from=build /opt/venv /opt/venv
COPY deploy/docker/ready.py /opt/ready.py
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp HOST=0.0.0.0 PORT=8000
WORKDIR /
USER 10001:10001
VOLUME ["/data"]
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["python", "-IS", "/opt/ready.py"]
ENTRYPOINT ["chat-api"]
CMD ["serve"]
