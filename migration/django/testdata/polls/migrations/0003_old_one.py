from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("polls", "0002_votes"),
    ]

    operations = [
        migrations.AddField("Question", "one", models.IntegerField(default=0)),
    ]
