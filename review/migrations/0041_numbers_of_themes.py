from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("review", "0040_own_by_one_index"),
    ]

    operations = [
        migrations.AddField(
            model_name="themerun",
            name="last_number",
            field=models.PositiveIntegerField(default=0),
        ),
    ]
