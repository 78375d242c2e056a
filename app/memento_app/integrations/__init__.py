"""How agents come to know Memento: its MCP server in their settings, and the plugins they install."""
