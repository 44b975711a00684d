"""What a task is made of besides its template: the data that its window sees, code, libraries."""
