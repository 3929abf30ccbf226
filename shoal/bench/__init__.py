"""`shoal bench`: a load test of any server that speaks OpenAI's protocol."""
