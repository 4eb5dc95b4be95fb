"""Does the migration matrix see? Defects, planted one at a time in a copy: tox -e mutants"""
