"""Drawing a range of a page's frames into one segment: browser, clock, capture, encoder."""
