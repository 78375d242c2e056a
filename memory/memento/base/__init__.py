"""What every room stands on: times, files that are whole or absent, text that is safe to print."""
