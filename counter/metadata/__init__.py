"""When, where and by what a recording was made: names, headers, a table of sites."""
