"""Numbers, dates, times, amounts and units as words."""
