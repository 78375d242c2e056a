"""Pi and OpenClaw, which writes Pi's records into files and a database."""
