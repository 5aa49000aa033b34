"""The weekly report by mail: what it says, how it looks, and how it is sent once."""
