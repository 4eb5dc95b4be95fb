"""The checks of the template for AWS: tox -e infra"""
