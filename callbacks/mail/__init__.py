"""What a mail says: bytes in, a typed verdict out. Nothing here touches a database or a server."""
