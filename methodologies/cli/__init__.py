"""The command line of `saxaul-methodologies`, whose commands `saxaul` mounts as well."""
