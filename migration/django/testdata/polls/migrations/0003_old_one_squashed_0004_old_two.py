from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    replaces = [("polls", "0003_old_one"), ("polls", "0004_old_two")]

    dependencies = [
        ('polls', '0002_votes'),
    ]

    operations = [
        migrations.AddField("Question", "one", models.IntegerField(default=0)),
        migrations.AddField("Question", "two", models.IntegerField(default=0)),
    ]
