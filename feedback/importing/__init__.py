"""`telltale import feedback`: feedback out of files of other tools, checked line by line."""
