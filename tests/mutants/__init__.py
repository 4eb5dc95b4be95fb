"""Mutation tests: defects, planted one at a time in a copy: tox -e mutants"""
