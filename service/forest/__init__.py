"""Trees on offer: species and the projects that plant them."""
