"""Messages to a front end and its requests, for both the cell's widget and the server's websocket."""
