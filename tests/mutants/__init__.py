"""Mutation testing: is a wrong line of the modules that keep the music going noticed by the tests?"""
