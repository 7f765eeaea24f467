"""Two environments side by side: is the candidate slower than the baseline, or does it learn worse?"""
