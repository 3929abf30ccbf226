"""What speech is judged by: recognisers, voices, pitch, and a loss that hears as a recogniser does."""
