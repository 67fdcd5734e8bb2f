from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("polls", "0001_initial"),
        ("store", "0001_initial"),
    ]

    operations = [
        migrations.AddField("Question", "votes", models.IntegerField(default=0)),
    ]
