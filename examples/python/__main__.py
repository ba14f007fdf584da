# pulumi package add ./node_modules/image-machine/component, after npm install image-machine, makes this module.
import pulumi
import pulumi_image_machine as images

machine = images.ImageMachine("images", retention="destroy", rotations=[
    {"name": "clockwise", "angle": 90},
    {"name": "counter-clockwise", "angle": -90},
])

for output in ["source_bucket", "results_bucket", "topic", "alarm_topic", "workers"]:
    first, *rest = output.split("_")
    pulumi.export(first + "".join(map(str.title, rest)), getattr(machine, output))
