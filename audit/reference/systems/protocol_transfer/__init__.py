"""Brain tissue voxel by voxel, learnt under one protocol and used under another (slides 107-109)."""

from audit.reference._system import System

SYSTEMS = (
    System(
        name="protocol-transfer",
        title="brain tissue of a voxel, weighted SVM with few labels of the target protocol",
        task="multiclass",
        slides="107-109",
        package="protocol_transfer",
        curves="error by number of labelled target voxels, 8 ways of transfer, 5 seeds; error by unsupervised distance",
    ),
    System(
        name="protocol-source",
        title="brain tissue of a voxel, learnt under the source protocol alone",
        task="multiclass",
        slides="107-109",
        package="protocol_transfer",
        differs="no voxel of the target protocol was in its training data",
    ),
)
