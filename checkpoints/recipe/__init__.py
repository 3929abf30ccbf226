"""How the starter checkpoint is made: text, data, codec, codes, language model, judgement. See README.md."""
