"""The networks of Shoal and the words of its domain. Knows neither Ray nor HTTP nor machines."""
