"""/api/v1: ingestion and reading."""

from ninja import Router

router = Router()
