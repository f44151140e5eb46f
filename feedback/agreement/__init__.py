"""How far labels can be trusted: do people agree, with each other and with known answers, and how good is the model?

Pure, and plain Python: the web part has no numpy, and reviewers label hundreds of items, not millions.
"""
