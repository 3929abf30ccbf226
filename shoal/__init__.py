"""The command `shoal`: speak, clone and keep voices on a server, look after one, start one, and measure any.

It needs typer, httpx and rich only. What starts a server or fetches a checkpoint needs the extra `serve`, and says so.
"""
