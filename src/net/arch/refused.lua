-- Networks that weft recognises but cannot run: they say which operation is missing. Analyses of weights work on them.

local function cannot(name, help, signature, what, what_it_is)
  family{name = name, help = help, repositories = {"torchvision", "timm", "transformers"}, signature = signature,
    presets = nil,
    forward = function(net)
      for _, module in ipairs{"features", "stem", "stages", "blocks", "layers", "encoder", "transformer", "embeddings",
          "conv1",
          "conv2_x", "conv3_x", "conv4_x", "conv5_x"} do
        leave(module, what) -- so that this is the nearest definition
      end
      refuse("it is a %s, which needs %s; weft does not run these, but analyses of the weights work", what_it_is, what)
    end}
end
cannot("vit", "Vision transformers (recognised, not run)", {{"conv_proj", "patch_embed.proj",
  "transformer.embeddings.patch_embeddings",
  "embeddings.patch_embeddings", "vit.embeddings.patch_embeddings", "features.0.0", "swin.embeddings.patch_embeddings"},
  {"encoder.layers.encoder_layer_0.self_attention", "blocks.0.attn", "transformer.encoder.layer.0.attn",
    "encoder.layer.0.attention",
   "vit.encoder.layer.0.attention", "features.1.0.attn", "layers.0.blocks.0.attn"}}, "layer norm and attention",
     "vision transformer")
cannot("convnext", "ConvNeXt (recognised, not run)", {{"features.0.0", "stem.0", "downsample_layers.0.0",
  "convnext.embeddings"},
  {"features.1.0.layer_scale", "stages.0.blocks.0.gamma", "stages.0.blocks.0.mlp", "stages.0.0.gamma",
    "convnext.encoder.stages.0.layers.0.dwconv"}},
  "layer norm", "ConvNeXt")
cannot("resnetv2", "ResNetV2 with group norm, BiT (recognised, not run)", {"stem.conv", {"stages.0.blocks.0.norm1"},
  {"head.fc"}},
  "group norm", "ResNetV2 with group norm")
cannot("stochastic-depth", "ResNet with stochastic depth (recognised, not run)", {"conv1.0", "conv2_x.0.residual.0",
  "conv5_x.0.residual.0", "fc"},
  "a product with a constant", "ResNet with stochastic depth as weiaicunzai has it")
