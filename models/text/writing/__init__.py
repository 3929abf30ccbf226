"""From what people write to plain words: Markdown, tags, symbols, addresses, abbreviations, capitals."""
