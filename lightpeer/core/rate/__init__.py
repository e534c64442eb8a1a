"""Rate control: what a link gives, who fills its queue, how much may be outstanding."""
