from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('polls', '0003_old_one'),
    ]

    operations = [
        migrations.AddField("Question", "two", models.IntegerField(default=0)),
    ]
