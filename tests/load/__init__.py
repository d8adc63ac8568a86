"""The server under load: sessions over WebSocket without a browser, on the loopback, at most 30 at once."""
