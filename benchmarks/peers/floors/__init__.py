"""The least that answers who-am-I, for what a framework and a driver cost by themselves."""
