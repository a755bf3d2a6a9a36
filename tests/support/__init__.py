"""What several test modules share: servers, pages, videos, processes."""
