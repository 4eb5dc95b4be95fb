"""Does the template deploy what it should? tox -e infra"""
