from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('polls', '0004_old_two'),
    ]

    operations = [
        migrations.AddField("Question", "note", models.TextField(null=True)),
    ]
