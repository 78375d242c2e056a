"""The MCP server: six tools, sessions as resources and two prompts, over stdio and the sidecar's HTTP server."""
