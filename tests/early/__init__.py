"""An app that imports sorl's filters while Django starts."""
