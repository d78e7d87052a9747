"""The web page at `/`: one conversation with the assistant, in a browser."""

from chat_api.web.routes import DemoToken, create_web_router

__all__ = ["DemoToken", "create_web_router"]
