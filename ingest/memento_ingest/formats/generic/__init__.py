"""Messages in the shapes that many programs share: role and content, ShareGPT, LangChain."""
