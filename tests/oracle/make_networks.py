"""make_networks -- forward.*, bnfold.json, losses.*, attacks.*: what the sample networks compute on the sample images."""
import torch
import torch.nn.functional as F

from common import NORM_EPS, Network, lowpass, norm_of, read_images, summary, write_arrays, write_json

SMALL, DEEP = "fashion-resnet8", "fashion-resnet20"
PUBLISHED = "/usr/share/datasets/fashion-mnist/t10k-{}-ubyte.gz"

# ---- forward pass ----------------------------------------------------------------------------------------------------


def whole_test_set(network):
    """Of all 10,000 images, which Debian's package dataset-fashion-mnist brings."""
    pixels, labels = read_images(10000, PUBLISHED)
    return summary(network.logits(pixels), labels)


def forward():
    pixels, labels = read_images(2000)
    values, arrays = {}, {}
    for name in (SMALL, DEEP):
        network, maps = Network(name), {}
        logits = network.logits(pixels)
        with torch.no_grad():
            network.forward(pixels[:1], maps=maps)
        values[name] = {
            "test": summary(logits, labels),
            "feature_maps_image0": [{"name": key, "shape": list(x.shape[1:]), "l2": norm_of(x),
                                     "first4": x.reshape(-1)[:4]} for key, x in maps.items()]}
        arrays[name + ".logits16"] = logits[:16]
        arrays[name + ".predictions"] = logits.argmax(1).to(torch.uint8)
        arrays[name + ".ce_per_image"] = F.cross_entropy(logits, labels, reduction="none").float()
    values[SMALL]["whole_test_set"] = whole_test_set(Network(SMALL))
    write_json("forward", values)
    write_arrays("forward", arrays)


def folded():
    """Batch norm in the weights before it: the same logits, and the norms of what comes of it."""
    pixels, _ = read_images(16)
    values = {}
    for name in (SMALL, DEEP):
        network = Network(name)
        weights, biases = {}, {}
        for conv in network.convs:
            norm = conv.replace("conv", "bn")
            p = {key: network.p[f"{norm}.{key}"] for key in ("weight", "bias", "running_mean", "running_var")}
            factor = p["weight"] / torch.sqrt(p["running_var"] + NORM_EPS)
            weights[conv] = network.p[conv + ".weight"] * factor.view(-1, 1, 1, 1)
            biases[norm] = p["bias"] - p["running_mean"] * factor
        with torch.no_grad():
            logits = network.forward(pixels, weights, norm=lambda key, x: x + biases[key].view(1, -1, 1, 1))
        assert (logits - network.logits(pixels)).abs().max() < 1e-10
        values[name] = {"folded_conv_l2": {key: norm_of(x) for key, x in weights.items()},
                        "folded_bias_l2": {key: norm_of(x) for key, x in biases.items()}}
    write_json("bnfold", values)


# ---- losses ----------------------------------------------------------------------------------------------------------


def kl(student, teacher):
    return F.kl_div(F.log_softmax(student, 1), F.softmax(teacher, 1), reduction="batchmean")


def unit(x):
    return x / (x.flatten(1).norm(dim=1).view(-1, 1, 1, 1) + 1e-3)


def losses():
    """Distillation of the network into itself with stage 2 low-passed, and the student's cross-entropy."""
    pixels, labels = read_images(32)
    network = Network(SMALL)
    student = network.changed(network.stage(2), lambda w: lowpass(w, 1.0))
    student = {name: w.clone().requires_grad_(True) for name, w in student.items()}
    theirs, ours = {}, {}
    with torch.no_grad():
        teacher = network.forward(pixels, maps=theirs)
    logits = network.forward(pixels, student, maps=ours)
    fmd = {name: (unit(ours[name]) - unit(theirs[name])).pow(2).sum() / len(pixels) for name in ours}
    stable = F.kl_div(torch.log(F.softmax(logits, 1) + 1e-4), F.softmax(teacher, 1), reduction="batchmean")
    # an addition in place leaves the block's sum where the second batch norm's map was: it counts twice, the map never
    times = {"bn2": 0, "add": 2}
    terms = {"kd": kl(logits, teacher), "kd_stable": stable, "fmd": sum(fmd.values()),
             "fmd_aliased": sum(times.get(name.split(".")[-1], 1) * x for name, x in fmd.items()),
             "ce_student": F.cross_entropy(logits, labels),
             "kd_T2": kl(logits / 2, teacher / 2) * 4, "kd_T4": kl(logits / 4, teacher / 4) * 16}
    norms, arrays = {}, {}
    for name in ("kd", "kd_stable", "fmd", "fmd_aliased", "ce_student"):
        gradients = torch.autograd.grad(terms[name], list(student.values()), retain_graph=True)
        norms[name] = {layer: norm_of(g) for layer, g in zip(student, gradients)}
        for layer, gradient in zip(student, gradients):
            if name in ("kd", "fmd") and layer in ("conv1", "layer1.0.conv2", "layer2.0.conv1"):
                arrays[f"grad_{name}.{layer}"] = gradient.float()
    write_json("losses", {"values": {name: x.item() for name, x in terms.items()}, "gradient_l2_per_layer": norms})
    write_arrays("losses", arrays)


# ---- attacks ---------------------------------------------------------------------------------------------------------


def pixel_gradient(network, pixels, labels):
    """Of each image's cross-entropy. The label's entry of softmax - onehot is minus the sum of the others: where the
    network is sure, the difference cancels."""
    out = []
    for x, y in zip(pixels.split(50), labels.split(50)):
        x = x.clone().requires_grad_(True)
        logits = network.forward(x)
        slope = F.softmax(logits.detach(), 1)
        slope.scatter_(1, y[:, None], 0)
        slope.scatter_(1, y[:, None], -slope.sum(1, keepdim=True))
        out.append(torch.autograd.grad(logits, x, slope)[0])
    return torch.cat(out)


def fgsm(pixels, gradient, eps):
    return (pixels + eps * gradient.sign()).clamp(0, 1)


def ifgsm(network, pixels, labels, eps, steps, step):
    x = pixels
    for _ in range(steps):
        x = x + step * pixel_gradient(network, x, labels).sign()
        x = torch.min(torch.max(x, pixels - eps), pixels + eps).clamp(0, 1)
    return x


def attacks():
    few = 16  # as many as a build under a sanitizer has time for
    pixels, labels = read_images(200)
    network = Network(SMALL)
    gradient = pixel_gradient(network, pixels, labels)

    def measured(what, x):
        logits = network.logits(x)
        all_of, first = summary(logits, labels), summary(logits[:few], labels[:few])
        return {f"{what}_correct": all_of["correct"], f"{what}_ce": all_of["ce"],
                f"{what}_correct_few": first["correct"], f"{what}_ce_few": first["ce"]}

    rows = []
    for eps_255 in (0.5, 1, 2, 4, 8, 16):
        eps = eps_255 / 255
        rows.append({"eps_times_255": eps_255, **measured("fgsm", fgsm(pixels, gradient, eps)),
                     **measured("ifgsm", ifgsm(network, pixels, labels, eps, 10, eps / 4))})
    steps = [{"steps": n, "part": 1 / n, **measured("ifgsm", ifgsm(network, pixels, labels, 2 / 255, n, 2 / 255 / n))}
             for n in (5, 2)]
    write_json("attacks", {"images": len(labels), "few": few, "rows": rows, "other_steps_at_2": steps})
    # logits times 4: most probabilities of the label round to 1 in float32
    network.p["linear.weight"], network.p["linear.bias"] = (4 * network.p[f"linear.{x}"] for x in ("weight", "bias"))
    sure = pixel_gradient(network, pixels[:4], labels[:4])
    probability = F.softmax(network.logits(pixels[:4]), 1).gather(1, labels[:4, None])
    assert (1 - probability < 2**-25).sum() >= 3
    write_arrays("attacks", {"input_grad_first4": gradient[:4].float(), "input_grad_sure": sure.float()})


def make():
    forward()
    folded()
    losses()
    attacks()


if __name__ == "__main__":
    make()
