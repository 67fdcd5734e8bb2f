from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('store', '0001_initial'),
        ('polls', '__latest__'),
    ]

    operations = [
        migrations.AddField("Order", "buyer", models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True)),
    ]
