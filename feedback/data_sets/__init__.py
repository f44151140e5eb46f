"""Data sets for training: which calls, what people say of them, in whose columns, and the files.

`scope` says which calls a set is made of, `reading` reads them, `rated` puts people's feedback on each response,
`formats` and `pairs` make rows, `snapshot` writes the files.
"""
