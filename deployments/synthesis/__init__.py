"""A request's way from text and voice to PCM blocks and containers. Knows neither Ray nor HTTP."""
