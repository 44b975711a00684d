"""Settings, where each value comes from, and the URLs in them."""
