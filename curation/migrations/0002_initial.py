from django.db import migrations


class Migration(migrations.Migration):
    """Once half of 0001, which makes the same tables in a quarter of the time."""

    dependencies = [
        ('curation', '0001_initial'),
    ]

    operations = []
