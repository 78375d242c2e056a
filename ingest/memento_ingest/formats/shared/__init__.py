"""What the formats share: reading of lines, documents and databases, threads of messages, texts of tools."""
