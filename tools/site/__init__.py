"""The documentation site: what mkdocs needs besides the pages in docs/.

The pages are written for a reader of the repository. On the site, links that leave docs/ lead to
the page that shows that file there, or to the repository, and a few pages come from elsewhere.
"""
