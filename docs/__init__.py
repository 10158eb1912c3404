"""Programs that write what the documents show: the reference pages and the pictures."""
